"""The tables of `messages` that statements here read: that package stands above this one and cannot be imported."""

MESSAGES = "mail_message"
RECIPIENTS = "mail_recipient"
ATTEMPTS = "mail_attempt"
