"""Classifiers of pairs of a user and an item: will they click, like, buy, and how do they rate?"""
