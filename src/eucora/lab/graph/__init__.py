"""Simulated Microsoft Graph v1.0: the part that application deployment through Intune needs."""
