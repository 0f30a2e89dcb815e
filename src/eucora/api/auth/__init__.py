"""Who calls: bearer tokens of an OpenID provider, and service tokens of our own."""
