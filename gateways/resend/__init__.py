"""Resend's API below /compat/resend: its SDKs work with their base URL changed. It translates; the rules are ours."""
