"""Deployment: the same lake on AWS, from the template that makes it to the functions that run it."""
