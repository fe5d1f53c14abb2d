"""Planning: what is known of a table's files, what a new one changes in it, and the work that follows."""
