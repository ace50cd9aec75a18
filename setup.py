"""Lets pip find setuptools; everything is in setup.cfg."""

import setuptools

setuptools.setup()
