"""Every place in the package that reads a file, and which kind of file it reads.

`readers_test` holds this list against the source: whoever adds a place says here what
it reads, and a new kind of file gets its samples and its steps in `kinds`.
"""

READERS = {
  'config.json': (
    'rnn_tf.runs:RunFolder.record',
    'rnn_tf.unlearn_plan:_Maker._check_same',
  ),
  'result.json': ('rnn_tf.runs:RunFolder.result',),
  'metrics.csv': (
    'rnn_tf.callbacks:Journal.__init__',
    'rnn_tf.callbacks:Journal.on_epoch_end',
    'rnn_tf.records:_metrics',
    'rnn_tf.run_end:finish',
    'rnn_tf.run_files:RunFiles.read_rows',
    'rnn_tf.runs:RunFolder._sums',
    'rnn_tf.runs:RunFolder.forget_after',
    'rnn_tf.shadow_audit:_seconds_per_epoch',
    'rnn_tf.unlearn_costs:_cost',
    'rnn_tf.unlearning:_seconds_per_example',
    'rnn_tf.verification.sums:_cost',
  ),
  'privacy.jsonl': (
    'rnn_tf.records:_results',
    'rnn_tf.run_audit:_keeper',
    'rnn_tf.run_files:RunFiles.read_lines',
  ),
  'examples.npz': (
    'rnn_tf.pairs:_example_ids',
    'rnn_tf.run_data:_deleted',
    'rnn_tf.unlearn_versions:unseen_of',
    'rnn_tf.unlearning:_check_gone',
    'rnn_tf.verification.deletions:_check_model',
    'rnn_tf.verification.ids:load',
    'rnn_tf.verification.versions:_listed',
  ),
  'scores of a report': (
    'rnn_tf.records:RunRecord.score_arrays',
    'rnn_tf.verification.ids:Labels.of',
  ),
  'private run': ('rnn_tf.runs:RunFolder.record',),
  'exposed_images.npz': ('rnn_tf.run_images:load',),
  'checkpoint': (
    'rnn_tf.runs:RunFolder._check_seal',
    'rnn_tf.training:Checkpoints.restore',
  ),
  'weights': (
    'rnn_tf.attack_records:weights_checksum',
    'rnn_tf.run_model:_check_sum',
    'rnn_tf.run_model:predictor',
    'rnn_tf.run_start:Start.give_weights',
    'rnn_tf.training:load_weights',
    'rnn_tf.unlearn_elsewhere:pack',
  ),
  'classical model': ('rnn_tf.classical_file:load',),
  'attack record': ('rnn_tf.attack_records:load',),
  'scores of an attack': (
    'rnn_tf.attack_records:AttackRecord.report',
    'rnn_tf.verification.attacks:_case',
    'rnn_tf.verification.attacks:_check_case',
  ),
  'deletion record': ('rnn_tf.deletion_records:load',),
  'outputs.npz of a run': (
    'rnn_tf.unlearn_models:Maker._run_outputs',
    'rnn_tf.verification.versions:outputs',
  ),
  'fleet.json': (
    'rnn_tf.fleets.folder:FleetFolder._manifest',
    'rnn_tf.unlearn_fleet:_seed',
    'rnn_tf.verification.fleet:_key',
  ),
  'shadow json': (
    'rnn_tf.fleets.folder:FleetFolder.info',
    'rnn_tf.verification.fleet:_shadow',
  ),
  'shadow npz': (
    'rnn_tf.fleets.folder:FleetFolder._verify',
    'rnn_tf.fleets.outputs:StoredArray.find',
    'rnn_tf.fleets.outputs:StoredArray.open',
    'rnn_tf.verification.fleet:_outputs',
  ),
  'sharded model': (
    'rnn_tf.runs:_parent_of_sharded',
    'rnn_tf.sharding.folder:ShardedFolder.manifest',
    'rnn_tf.sharding.folder:ShardedFolder.result',
  ),
  'outputs.npz of a shard': (
    'rnn_tf.sharding.folder:ShardedFolder._outputs',
    'rnn_tf.sharding.folder:ShardedFolder.copy',
  ),
  'stage json': (
    'rnn_tf.sharding.constituent:needed_files',
    'rnn_tf.sharding.constituent:read_stage',
  ),
  'stage npz': (
    'rnn_tf.sharding.constituent:_restore',
    'rnn_tf.sharding.constituent:_verified',
    'rnn_tf.sharding.folder:ShardedFolder.copy',
  ),
  'page': (
    'rnn_tf.page.figures:_json_object',
    'rnn_tf.page.figures:_rows',
    'rnn_tf.page.replacing:check',
    'rnn_tf.pages.page_check:_page',
    'rnn_tf.pages.run_page:_earlier',
    'rnn_tf.reporting:_check_report_dir',
  ),
}
"""Kind of file, see `kinds.KINDS` -> the functions that read it."""

ELSEWHERE = {
  'rnn_tf.deletion_records:write': 'reads back what it is about to write',
  'rnn_tf.verification.fleet:_key': 'and compares a config as JSON would have it',
  'rnn_tf.flag_files:_text': "flag files, the user's own: flag_files_test",
  'rnn_tf.options.deletion:_text': "lists of ids, the user's own: forget_test",
  'rnn_tf.fleets.plan:code_checksum': "the package's own source",
  'rnn_tf.pages.disclosure:_rows': 'a table that the page is about to show',
  'rnn_tf.page.render:_file': "the package's own templates",
  'rnn_tf.sharding.elsewhere:train': 'what it has just written, on another machine',
  'rnn_tf.unlearn_elsewhere:_files': 'what it has just written, on another machine',
  'rnn_tf.run_files:RunFiles.read_json': 'any file of a run: see who calls it',
  'rnn_tf.run_files:RunFiles.read_npz': 'any file of a run: see who calls it',
  'rnn_tf.untrusted:read_bytes': 'any file: see who calls it',
  'rnn_tf.untrusted:read_text': 'any file: see who calls it',
  'rnn_tf.untrusted:read_json': 'any file: see who calls it',
  'rnn_tf.untrusted:parse_json': 'any file: see who calls it',
  'rnn_tf.untrusted:read_npz': 'any file: see who calls it',
  'rnn_tf.untrusted:check_archive': 'any file: see who calls it',
}
"""Functions that read something else, or for others -> what."""
