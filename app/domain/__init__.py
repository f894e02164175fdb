"""The words of Longwatch and the rules between them: pure, without I/O, clock or asyncio."""
