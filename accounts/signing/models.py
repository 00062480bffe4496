"""The pairs with which requests are signed instead of carrying the key."""

from django.db import models
from django.db.models.functions import Now

from common.fields import EncryptedTextField


class SigningPair(models.Model):
    """A key's AWS access key id and secret access key, for requests with Signature Version 4.

    A signature is checked with the secret itself, so that a hash would not do: it is kept encrypted.
    """

    access_key_id = models.CharField(primary_key=True, max_length=20, editable=False)
    api_key = models.OneToOneField("accounts.ApiKey", models.CASCADE, related_name="signing_pair")
    secret = EncryptedTextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.access_key_id
