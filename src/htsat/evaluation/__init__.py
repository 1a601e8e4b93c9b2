"""How well models hear labelled recordings: heard as `htsat tag` hears them, and counted.

`shifts` changes what is heard, `ensemble` hears one clip with several models (`joint_scores`, `class_map`),
`evaluate` all clips of a manifest, `detection` its events; `development` chooses `rule_sets` before. `report`
holds the result and its JSON form. Knows no engine and imports no torch.
"""
