"""Reads what a run has written for TensorBoard, as it lies there and as it is shown."""

import collections

from tensorboard import context
from tensorboard.backend.event_processing import (
  data_provider,
  event_file_loader,
  plugin_event_multiplexer,
)
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import (
  api_pb2,
  backend_context,
  get_experiment,
  list_session_groups,
  metadata,
)
from tensorboard.util import tensor_util


def _values(path):
  """Yields (folder, step, value) of every value of every file, nothing purged."""
  for file in sorted(path.rglob('events.out.tfevents.*')):
    folder = file.parent.relative_to(path).as_posix()
    for event in event_file_loader.EventFileLoader(str(file)).Load():
      for value in event.summary.value:
        yield folder, event.step, value


def scalars(path):
  """Returns (folder, tag) -> [(step, value)] in the order of writing."""
  found = collections.defaultdict(list)
  for folder, step, value in _values(path):
    if value.metadata.plugin_data.plugin_name == 'scalars':
      number = tensor_util.make_ndarray(value.tensor).item()
      found[folder, value.tag].append((step, number))
  return dict(found)


def sessions(path):
  """Returns folder -> the HParams plugin's records in it, in the order of writing."""
  found = collections.defaultdict(list)
  for folder, _, value in _values(path):
    plugin = value.metadata.plugin_data
    if plugin.plugin_name == 'hparams':
      read = {
        metadata.SESSION_START_INFO_TAG: metadata.parse_session_start_info_plugin_data,
        metadata.SESSION_END_INFO_TAG: metadata.parse_session_end_info_plugin_data,
      }[value.tag]
      found[folder].append(read(plugin.content))
  return dict(found)


def hparams(mapping):
  """Returns the values of the plugin's map as Python's."""
  return {name: _plain(value) for name, value in mapping.items()}


def _plain(value):
  return getattr(value, value.WhichOneof('kind'))


def table(root):
  """Returns what the HPARAMS tab asks for: the columns, and a group of each row."""
  multiplexer = plugin_event_multiplexer.EventMultiplexer()
  multiplexer.AddRunsFromDirectory(str(root))
  multiplexer.Reload()
  provider = data_provider.MultiplexerDataProvider(multiplexer, str(root))
  backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
  statuses = api_pb2.Status.values()
  requests = (
    (get_experiment, api_pb2.GetExperimentRequest()),
    (
      list_session_groups,
      api_pb2.ListSessionGroupsRequest(allowed_statuses=statuses, slice_size=100),
    ),
  )
  columns, rows = (
    module.Handler(context.RequestContext(), backend, '', request).run()
    for module, request in requests
  )
  return columns, {group.name: group for group in rows.session_groups}


def metrics(group):
  """Returns (folder, tag) -> (step, value) of a row's metrics."""
  return {
    (metric.name.group, metric.name.tag): (metric.training_step, metric.value)
    for metric in group.metric_values
  }
