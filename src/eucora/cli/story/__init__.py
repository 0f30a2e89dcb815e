"""The story that ``eucora demo`` tells: real files, real tokens, the real HTTP API, simulated vendors."""
