// The counter zone over a camera's picture: corners that are dragged, or moved by keys, as shares of width and height.

const STEP = 0.01;
const LARGE_STEP = 0.05;
const NEAR_EDGE = 0.015;
const LEAST_CORNERS = 3;
const MOST_CORNERS = 16;
const WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]];
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const within = (value) => Math.min(1, Math.max(0, Math.round(value * 1000) / 1000));
const atEdge = (value) => (value < NEAR_EDGE ? 0 : value > 1 - NEAR_EDGE ? 1 : value);
const isWhole = (corners) => JSON.stringify(corners) === JSON.stringify(WHOLE);
const middle = ([x1, y1], [x2, y2]) => [within((x1 + x2) / 2), within((y1 + y2) / 2)];
const pathOf = (corners) => `M${corners.map((corner) => corner.join(" ")).join("L")}Z`;

class ZoneEditor {
  constructor(root) {
    this.words = JSON.parse(root.dataset.words);
    this.stage = root.querySelector(".zone-stage");
    this.field = root.querySelector("input[name=zone]");
    this.layer = root.querySelector("[data-zone-corners]");
    this.said = root.querySelector("[data-zone-said]");
    this.count = root.querySelector("[data-zone-count]");
    this.picture = root.querySelector("[data-zone-picture]");
    this.canvas = root.querySelector("[data-zone-canvas]");
    this.empty = root.querySelector("[data-zone-empty]");
    this.buttons = Object.fromEntries([...root.querySelectorAll("[data-zone-do]")].map((one) => [one.dataset.zoneDo, one]));
    this.corners = this.field.value ? JSON.parse(this.field.value) : structuredClone(WHOLE);
    this.chosen = 0;
    this.stage.classList.toggle("has-picture", this.picture !== null);
    this.buttons.add.addEventListener("click", () => this.add(this.chosen));
    this.buttons.remove.addEventListener("click", () => this.remove(this.chosen));
    this.buttons.whole.addEventListener("click", () => this.reset());
    this.draw();
  }

  /** The picture lies under the zone. It is painted: no address leads to a picture that nobody has saved. */
  async show(jpeg) {
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    [this.canvas.width, this.canvas.height] = [bitmap.width, bitmap.height];
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    this.canvas.hidden = false;
    this.empty.hidden = true;
    this.picture?.remove();
    this.stage.classList.add("has-picture");
  }

  draw() {
    this.field.value = isWhole(this.corners) ? "" : JSON.stringify(this.corners);
    this.stage.querySelector(".zone-outside").setAttribute("d", `M0 0H1V1H0Z${pathOf(this.corners)}`);
    this.stage.querySelector(".zone-line").setAttribute("d", pathOf(this.corners));
    this.keep("zone-corner", "button", (node, number) => this.drawCorner(node, number));
    this.keep("zone-middle", "span", (node, number) => this.drawMiddle(node, number));
    this.buttons.add.disabled = this.corners.length >= MOST_CORNERS;
    this.buttons.remove.disabled = this.corners.length <= LEAST_CORNERS;
    this.count.textContent = isWhole(this.corners)
      ? this.words["zone.is_whole"]
      : this.words["zone.corners"].replace("{count}", this.corners.length);
  }

  /** As many nodes of a class as corners, each drawn; those that stay keep the focus. */
  keep(className, tag, draw) {
    const nodes = [...this.layer.getElementsByClassName(className)];
    while (nodes.length > this.corners.length) nodes.pop().remove();
    while (nodes.length < this.corners.length) {
      const node = this.layer.appendChild(document.createElement(tag));
      node.className = className;
      if (tag === "button") this.listenToCorner(node, nodes.length);
      else this.listenToMiddle(node, nodes.length);
      nodes.push(node);
    }
    nodes.forEach(draw);
  }

  place(node, [x, y]) {
    node.style.left = `${x * 100}%`;
    node.style.top = `${y * 100}%`;
  }

  drawCorner(node, number) {
    this.place(node, this.corners[number]);
    node.type = "button";
    node.setAttribute("aria-label", this.nameOf(number));
    node.setAttribute("aria-pressed", number === this.chosen);
  }

  drawMiddle(node, number) {
    this.place(node, middle(this.corners[number], this.corners[(number + 1) % this.corners.length]));
    node.hidden = this.corners.length >= MOST_CORNERS;
  }

  nameOf(number) {
    const [x, y] = this.corners[number].map((share) => Math.round(share * 100));
    const values = { number: number + 1, count: this.corners.length, x, y };
    return this.words["zone.corner"].replace(/{(\w+)}/g, (_, key) => values[key]);
  }

  listenToCorner(node, number) {
    node.addEventListener("focus", () => this.choose(number));
    node.addEventListener("pointerdown", (event) => this.drag(event, node, number));
    node.addEventListener("keydown", (event) => this.key(event, number));
  }

  listenToMiddle(node, number) {
    node.addEventListener("pointerdown", (event) => {
      this.add(number);
      const corner = this.layer.getElementsByClassName("zone-corner")[number + 1];
      this.drag(event, corner, number + 1);
    });
  }

  choose(number) {
    this.chosen = number;
    this.draw();
  }

  drag(event, node, number) {
    event.preventDefault();
    node.focus();
    node.setPointerCapture(event.pointerId);
    const move = (moved) => {
      const frame = this.stage.getBoundingClientRect();
      const x = atEdge((moved.clientX - frame.left) / frame.width);
      const y = atEdge((moved.clientY - frame.top) / frame.height);
      this.corners[number] = [within(x), within(y)];
      this.draw();
    };
    const end = () => {
      node.removeEventListener("pointermove", move);
      this.say(number);
    };
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", end, { once: true });
    node.addEventListener("pointercancel", end, { once: true });
  }

  key(event, number) {
    const by = MOVES[event.key];
    if (by) {
      const step = event.shiftKey ? LARGE_STEP : STEP;
      this.corners[number] = this.corners[number].map((share, axis) => within(share + by[axis] * step));
      this.draw();
      this.say(number);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.remove(number);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** A corner stands in the middle of the side that begins at this one. */
  add(number) {
    if (this.corners.length >= MOST_CORNERS) return;
    const next = this.corners[(number + 1) % this.corners.length];
    this.corners.splice(number + 1, 0, middle(this.corners[number], next));
    this.chosen = number + 1;
    this.draw();
    this.focus();
  }

  remove(number) {
    if (this.corners.length <= LEAST_CORNERS) return;
    this.corners.splice(number, 1);
    this.chosen = Math.min(number, this.corners.length - 1);
    this.draw();
    this.focus();
  }

  reset() {
    this.corners = structuredClone(WHOLE);
    this.chosen = 0;
    this.draw();
    this.said.textContent = this.words["zone.is_whole"];
  }

  focus() {
    this.layer.getElementsByClassName("zone-corner")[this.chosen].focus();
    this.say(this.chosen);
  }

  say(number) {
    this.said.textContent = this.nameOf(number);
  }
}

/** Makes the page's zone work and returns it; null where it has none. */
export function zoneEditor() {
  const root = document.querySelector("[data-zone]");
  return root && new ZoneEditor(root);
}
