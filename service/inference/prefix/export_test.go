package prefix

// What tests look at.
var Decode = decode

// FolderOf is where the files of a lot are.
func FolderOf(l *Lot) string { return l.p.dir }
