"""GET /changes: what became clearly slower, flakier or dearer, or the opposite, and since when?"""
