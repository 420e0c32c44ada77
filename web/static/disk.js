// Too little room for evidence, on an open wall.

export function showDisk(disk, words) {
  const section = document.getElementById("disk");
  section.hidden = disk === null;
  if (disk === null) return;
  const values = { free: disk.free_gb, least: disk.least_gb, count: disk.file_count, gone: disk.removed_gb };
  section.querySelector("[data-disk]").textContent = words["disk.text"].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
