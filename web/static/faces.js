// The faces that pay with many cards, as the wall lists them.

/** What so many are called. */
function counted(words, key, count) {
  return (count === 1 && words[`${key}.one`]) || words[key];
}

function rowOf(face, words) {
  const row = document.createElement("li");
  row.className = `sev-${face.severity}`;
  const link = row.appendChild(document.createElement("a"));
  link.href = `/visitors/${encodeURIComponent(face.visitor_id)}`;
  const severity = link.appendChild(document.createElement("span"));
  severity.className = "sev";
  severity.textContent = words[`severity.${face.severity}`];
  const told = link.appendChild(document.createElement("span"));
  const [cards, stores] = [document.createElement("b"), document.createElement("b")];
  cards.textContent = face.cards;
  stores.textContent = face.institution_ids.length;
  const [paid, at] = [face.cards, face.institution_ids.length];
  told.append(cards, ` ${counted(words, "visitors.cards", paid)} · `, stores, ` ${counted(words, "visitors.stores", at)}`);
  const time = link.appendChild(document.createElement("time"));
  time.className = "quiet small";
  time.dataset.age = face.last_ms;
  return row;
}

/** The list is as the product says, without touching what already says so. */
export function showFaces(faces, words) {
  const list = document.getElementById("faces");
  const said = JSON.stringify(faces);
  if (list.dataset.said === said) return;
  list.dataset.said = said;
  list.replaceChildren(...faces.map((face) => rowOf(face, words)));
  list.hidden = faces.length === 0;
  document.getElementById("no-faces").hidden = faces.length > 0;
}
