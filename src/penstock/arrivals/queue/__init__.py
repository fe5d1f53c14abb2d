"""The queue on AWS: messages that say which files landed, on their way to rows or to the dead-letter queue."""
