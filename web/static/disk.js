// Too little room for evidence, on an open wall.

export function showDisk(disk, words) {
  const section = document.getElementById("disk");
  section.hidden = disk === null;
  if (disk === null) return;
  const gb = (value) => value.toFixed(1);
  const values = { free: gb(disk.free_gb), least: gb(disk.least_gb), count: disk.file_count, gone: gb(disk.removed_gb) };
  section.querySelector("[data-disk]").textContent = words["disk.text"].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
