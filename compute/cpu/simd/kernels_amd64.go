package simd

// sets are the sets that this processor can run, slowest first, besides the
// plain one. Each starts from the set before it and replaces what it does
// better.
func sets() []*Kernels {
	var found []*Kernels
	if p := processor(); p.avx2 {
		k := Plain()
		k.name, k.features = "avx2", []string{"avx2", "fma", "f16c"}
		useVectorsAVX2(k)
		useSentenceAVX2(k)
		useQuantAVX2(k)
		useSearchAVX2(k)
		k.products.kquantAVX2()
		k.products.floatAVX2()
		found = append(found, k)
		if p.avx512VNNI {
			k := *k
			k.name, k.features = "avx512-vnni", append(k.Features(), "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni")
			useQuantAVX512(&k)
			useAttentionAVX512(&k)
			useExpAVX512(&k)
			useSearchVNNI(&k)
			if p.avx512Popcount {
				k.features = append(k.features, "avx512vpopcntdq")
				useSearchPopcount(&k)
			}
			k.products.kquantVNNI()
			k.products.floatAVX512()
			found = append(found, &k)
		}
	}
	return found
}
