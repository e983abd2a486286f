"""The agent: event loop, engines, configuration, chat, review console, command line."""
