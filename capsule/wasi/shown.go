package wasi

import "strings"

// The variables by which a program is told, and with it the layer, what else
// it is shown. They name capabilities and give none: what was not granted is
// not there, whoever wrote them. So a manifest can set them, they reach a
// program in any tier, and two programs of one module with different ones are
// never taken for the same.
const (
	// EnvFolders is a list of NAME=PATH, with colons between: the folder that
	// was granted under NAME is seen at PATH.
	EnvFolders = "PHI_FOLDERS"
	// EnvNotifications is a list of names, with colons between.
	EnvNotifications = "PHI_NOTIFICATIONS"
)

// FoldersVariable returns the variable that shows the folders, to be put into
// Config.Env. Names hold neither colons nor equals signs.
func FoldersVariable(folders []Folder) string {
	parts := make([]string, len(folders))
	for i, f := range folders {
		parts[i] = f.Name + "=" + f.Path
	}
	return EnvFolders + "=" + strings.Join(parts, ":")
}

// withEnv returns what the program is shown, within the limits. What means
// nothing in a variable is left out.
func withEnv(c Config) ([]Folder, []string) {
	var folders []Folder
	show := func(f Folder) {
		if len(folders) < FoldersMax && f.Name != "" && f.Path != "" && len(f.Path) <= PathBytesMax {
			folders = append(folders, f)
		}
	}
	var notifications []string
	name := func(n string) {
		if len(notifications) < NotificationsMax && n != "" {
			notifications = append(notifications, n)
		}
	}
	for _, f := range c.Folders {
		show(f)
	}
	for _, n := range c.Notifications {
		name(n)
	}
	for _, variable := range c.Env {
		key, value, _ := strings.Cut(variable, "=")
		if len(value) > ListBytesMax {
			continue
		}
		for part := range strings.SplitSeq(value, ":") {
			switch key {
			case EnvFolders:
				n, path, _ := strings.Cut(part, "=")
				show(Folder{Name: n, Path: path})
			case EnvNotifications:
				name(part)
			}
		}
	}
	return folders, notifications
}
