"""Slack in a box: people and a real slack-bolt app in, what Slack would do out."""
