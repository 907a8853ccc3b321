"""Raw requests with the responses that the specification demands, replayed however they can arrive.

The tables of cases are in the modules named after what they are about; `case` says what a case is,
`site` what is served, and `test_corpus` how the cases are replayed.
"""
