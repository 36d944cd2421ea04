"""The book of jobs: what was submitted, its steps and webhooks, in one database."""
