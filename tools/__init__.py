"""What developers run besides the product: the storage emulator and the demo."""
