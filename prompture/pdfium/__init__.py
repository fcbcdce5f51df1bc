"""Reads PDF files, in a process of its own that can be ended: ``prompture.documents.pdf`` starts it.

A file of three kilobytes can make its reader take gigabytes or hours, and only a process can be
held to a limit of both. Nothing in here is imported by the process that asked.
"""
