"""A cheap password hasher for tests: the product's own spends a third of a second on each user that a test makes."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneRoundHasher(PBKDF2PasswordHasher):
    """Django's default with one round in place of a million: each can check what the other has made."""

    iterations = 1
