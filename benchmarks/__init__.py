"""Measurements that take minutes; each prints its figures and none is a test."""
