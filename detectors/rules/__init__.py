"""One file a rule; the file's name is the rule's name and its key in config/rules.yaml."""
