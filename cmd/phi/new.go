package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"phios/sdk/templates"
)

func newNew() *cobra.Command {
	lang, dir, asJSON := "", "", false
	c := &cobra.Command{
		Use:   "new --lang LANGUAGE NAME",
		Short: "Write a new capsule: a program, its manifest, and how to build it",
		Long: "Makes a folder with a small program that serves, its manifest, a script that builds\nit, and the library it needs: nothing else has to be fetched.\n\nThe languages are " +
			strings.Join(templates.Languages(), ", ") + ".",
		Example: "  phi new --lang go greeter\n  cd greeter && ./build.sh && phi run .",
		Args:    cobra.ExactArgs(1),
		RunE: does(func(c *cobra.Command, arguments []string) error {
			if dir == "" {
				dir = filepath.Base(arguments[0])
			}
			if err := templates.Write(lang, arguments[0], dir); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]string{"name": arguments[0], "lang": lang, "folder": dir})
			}
			build := "./build.sh && "
			if _, err := os.Stat(filepath.Join(dir, "build.sh")); err != nil {
				build = "" // nothing to build
			}
			say(c.OutOrStdout(), "%s is there. Go on with\n  cd %s && %sphi run .\n", dir, quoted(dir), build)
			return nil
		}),
	}
	c.Flags().StringVar(&lang, "lang", "", "the language: "+strings.Join(templates.Languages(), ", "))
	c.Flags().StringVar(&dir, "dir", "", "the folder to make (default NAME)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = c.MarkFlagRequired("lang")
	_ = c.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(templates.Languages(), cobra.ShellCompDirectiveNoFileComp))
	return c
}
