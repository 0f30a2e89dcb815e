"""Problem rows of the domain's refusals, one file a noun."""
