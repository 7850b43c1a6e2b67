package grammar

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// BenchmarkMask walks random documents with a vocabulary of 32,000 pieces and
// reports the middle, the 99th hundredth and the longest time of a mask: cold
// in a new grammar, warm when others wrote with it before.
func BenchmarkMask(b *testing.B) {
	v := wordVocabulary(3, 32000)
	for _, c := range benchmarksTable {
		b.Run(c.name, func(b *testing.B) {
			g, err := c.compile()
			if err != nil {
				b.Fatal(err)
			}
			var cold, warm []time.Duration
			for i := 0; b.Loop(); i++ {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				d := timeMasks(b, g, v, r)
				if i == 0 {
					cold = append(cold, d...)
				} else {
					warm = append(warm, d...)
				}
			}
			report := func(name string, d []time.Duration) {
				if len(d) == 0 {
					return
				}
				slices.Sort(d)
				b.ReportMetric(float64(d[len(d)/2].Nanoseconds())/1e3, name+"-p50-us")
				b.ReportMetric(float64(d[len(d)*99/100].Nanoseconds())/1e3, name+"-p99-us")
				b.ReportMetric(float64(d[len(d)-1].Nanoseconds())/1e3, name+"-max-us")
			}
			report("cold", cold)
			report("warm", warm)
		})
	}
}

var benchmarksTable = []struct {
	name    string
	compile func() (*Grammar, error)
}{
	{"json", JSON},
	{"schema", func() (*Grammar, error) {
		return FromSchema([]byte(`{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
			"email":{"type":"string","format":"email"},"note":{"type":"string","maxLength":200},
			"tags":{"type":"array","items":{"type":"string"},"maxItems":5},
			"address":{"type":"object","properties":{"street":{"type":"string"},"zip":{"type":"string","pattern":"^\\d{5}$"}},"required":["street","zip"]}},
			"required":["name","age","email","note","tags","address"],"additionalProperties":false}`))
	}},
	{"gbnf", func() (*Grammar, error) { return FromGBNF(jsonGBNF) }},
	{"regex", func() (*Grammar, error) { return FromRegex(`[A-Z][a-z]+( [A-Z][a-z]+){1,4}, \d{4}`) }},
}

func timeMasks(b *testing.B, g *Grammar, v *Vocabulary, r *rand.Rand) []time.Duration {
	b.Helper()
	s, err := g.Start(v)
	if err != nil {
		b.Fatal(err)
	}
	mask := make([]uint64, v.Words())
	var out []time.Duration
	for range 200 {
		if s.Done() {
			break
		}
		from := time.Now()
		s.Mask(mask)
		out = append(out, time.Since(from))
		for {
			t := int32(r.IntN(v.size - 1))
			if r.IntN(100) == 0 {
				t = int32(1 + r.IntN(256)) // a byte, when few are allowed
			}
			if mask[t>>6]>>(t&63)&1 != 0 {
				if err := s.Accept(t); err != nil {
					b.Fatal(err)
				}
				break
			}
		}
	}
	return out
}
