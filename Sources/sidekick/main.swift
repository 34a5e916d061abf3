print("sidekick")
