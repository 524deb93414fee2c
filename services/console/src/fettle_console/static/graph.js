// A graph that is wider than its room is first seen from its middle, where most of them begin.
window.fettleGraphs = (within) => {
  for (const room of within.querySelectorAll(".graph-room")) room.scrollLeft = (room.scrollWidth - room.clientWidth) / 2;
};
window.fettleGraphs(document);
