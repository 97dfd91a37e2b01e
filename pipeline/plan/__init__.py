"""What a build will need before it starts: bytes to fetch, room on the disks, time per stage."""
