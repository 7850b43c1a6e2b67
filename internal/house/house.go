// Package house keeps the rules of this repository as tests: who may import
// whom, that every package says what it is, where each name of the founding
// vocabulary lives, how long a function may grow, what the kernel may not do.
//
// A rule that no test keeps is a wish; a test that cannot fail is worse. So
// each rule has a story in testdata: a small tree that breaks it, and the
// findings that the rule must report there, word for word.
//
// The rules read source text. They run no build and see every file, whatever
// its build tags. What they cannot see (types, escapes, races) is left to the
// compiler, the linters and the tests of each package.
//
// Two tables are policy, and are changed by a decision, never to make a build
// pass: imports.txt says who may import whom, ledger.txt lists the features
// that the system owes, by id.
package house

// rule is one habit that the tree must keep.
type rule struct {
	name  string // The name of its story in testdata, and of its subtest.
	check func(*tree) []string
}

// rules returns every rule of the house.
func rules() []rule {
	return []rule{
		{"exported", checkExported},
		{"hygiene", checkHygiene},
		{"imports", checkImports},
		{"kerneldocs", checkKernelDocs},
		{"names", checkNames},
		{"packagedocs", checkPackageDocs},
		{"purity", checkPurity},
		{"seeds", checkSeeds},
		{"sizes", checkSizes},
		{"unsafe", checkUnsafe},
		{"verbs", checkVerbs},
	}
}
