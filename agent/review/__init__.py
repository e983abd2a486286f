"""The reviewer's side: the calls that wait, shown whole, and the keys that decide about them."""
