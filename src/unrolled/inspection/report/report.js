"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const symbols = data.text;
  const sections = [...document.querySelectorAll("main > section")];
  const links = [...document.querySelectorAll("nav a")];
  const nameOf = (section) => section.id.slice("page-".length);

  // --- data -------------------------------------------------------------------------------------

  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const floats = (text) => new Float32Array(bytes(text).buffer);
  const models = data.models.map((model) => ({
    ...model,
    influence: bytes(model.influence),
    guesses: new Uint32Array(bytes(model.guesses).buffer),
    shares: floats(model.shares),
    probabilities: floats(model.probabilities),
    bits: floats(model.bits),
    values: new Int8Array(bytes(model.values).buffer),
  }));

  const SIGNS = { "\n": "⏎", "\t": "⇥", "\r": "␍" };
  const sign = (symbol) => {
    if (symbol in SIGNS) return SIGNS[symbol];
    if (/^\p{M}/u.test(symbol)) return `◌${symbol}`;
    if (symbol !== " " && [...symbol].length === 1 && /[\p{C}\p{Z}]/u.test(symbol))
      return `U+${symbol.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    return symbol;
  };
  const shown = (symbol) => (symbol === " " ? "␣" : sign(symbol));
  const percent = (share) => (share < 0.0005 ? "under 0.1 %" : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`);
  const signed = (number, digits) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(digits)}`;

  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text) element.textContent = text;
    return element;
  };

  // --- a text whose symbols can be pointed at ---------------------------------------------------

  /** The text in `holder`, one span a symbol; `moved(i)` is called with the symbol that is pointed at. */
  class Text {
    constructor(holder, label, moved) {
      this.moved = moved;
      this.spans = [];
      this.box = make("div", "text");
      this.box.tabIndex = 0;
      this.box.setAttribute("role", "group");
      this.box.setAttribute("aria-label", `${label}. Arrow keys move, Enter pins, Escape lets go.`);
      let line = this.line();
      symbols.forEach((symbol, i) => {
        const span = make("span", symbol === " " ? "blank" : "", sign(symbol));
        if (sign(symbol) !== symbol) span.classList.add(sign(symbol).startsWith("◌") ? "mark" : "sign");
        span.dataset.i = i;
        this.spans.push(span);
        line.append(span);
        if (symbol === "\n" && i + 1 < symbols.length) line = this.line();
      });
      this.box.addEventListener("pointerover", (event) => this.pointed(event, false));
      this.box.addEventListener("click", (event) => this.pointed(event, true));
      this.box.addEventListener("keydown", (event) => this.key(event));
      holder.append(this.box);
    }

    line() {
      const line = make("span", "line");
      line.dir = "auto";
      this.box.append(line);
      return line;
    }

    pointed(event, click) {
      const i = event.target.dataset?.i;
      if (i !== undefined) this.moved(Number(i), click ? "click" : "point");
    }

    key(event) {
      const at = this.at ?? 0;
      const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -symbols.length, End: symbols.length };
      let to = null;
      if (event.key in moves) to = at + moves[event.key];
      else if (event.key === "ArrowUp") to = this.above(at, -1);
      else if (event.key === "ArrowDown") to = this.above(at, 1);
      else if (event.key === "Enter" || event.key === " ") this.moved(at, "click");
      else if (event.key === "Escape") this.moved(at, "free");
      else return;
      event.preventDefault();
      if (to === null) return;
      this.moved(Math.min(Math.max(to, 0), symbols.length - 1), "key");
      this.spans[this.at].scrollIntoView({ block: "nearest" });
    }

    /** The symbol over or under another one on the screen. */
    above(from, step) {
      const { left, top } = this.spans[from].getBoundingClientRect();
      let best = null, distance = Infinity, row = null;
      for (let i = from + step; i >= 0 && i < symbols.length; i += step) {
        const box = this.spans[i].getBoundingClientRect();
        if (Math.abs(box.top - top) < 4) continue;
        if (row !== null && Math.abs(box.top - row) >= 4) break;
        row = box.top;
        if (Math.abs(box.left - left) < distance) [best, distance] = [i, Math.abs(box.left - left)];
      }
      return best;
    }

    show(i, pinned) {
      this.spans[this.at]?.classList.remove("here");
      this.at = i;
      this.spans[i].classList.add("here");
      this.box.classList.toggle("pinned", pinned);
    }

    colour(i, value) {
      const tone = value < 0 ? "--cold" : "--warm";
      this.spans[i].style.backgroundColor = value ? `rgba(var(${tone}), ${Math.min(1, Math.abs(value)).toFixed(3)})` : "";
    }
  }

  const context = (i) => symbols.slice(Math.max(0, i - 16), i).map(shown).join("") || "the beginning";

  /** What was predicted at a symbol: the truth, and the best guesses as bars. */
  const predicted = (model, i, more = "") => {
    const lines = make("div");
    const true_ = make("p");
    true_.append("After “", make("bdi", "mono", context(i)), "” came ", make("bdi", "mono true", shown(symbols[i])));
    true_.append(`: ${percent(model.probabilities[i])}, ${model.bits[i].toFixed(1)} bits. ${more}`);
    const bars = make("div", "bars");
    for (let k = 0; k < model.best; k++) {
      const symbol = model.names[model.guesses[i * model.best + k]];
      const share = model.shares[i * model.best + k];
      const bar = make("span", "bar");
      bar.style.width = `${100 * share}%`;
      bars.append(make("bdi", symbol === symbols[i] ? "mono true" : "mono", shown(symbol)), bar, make("span", "", percent(share)));
    }
    lines.append(true_, bars);
    return lines;
  };

  const scale = (holder, low, high, both = false) => {
    const line = make("div", "scale");
    line.append(make("span", "", low), make("i", both ? "both" : ""), make("span", "", high));
    holder.append(line);
  };

  const readout = (holder, className = "readout") => {
    const box = make("div", className);
    box.setAttribute("aria-live", "polite");
    holder.append(box);
    return box;
  };

  // --- the three views; each has show(i, pinned) ------------------------------------------------

  const memorization = (holder, model, moved) => {
    const box = readout(holder);
    scale(holder, "no influence", "the largest");
    const text = new Text(holder, "The text, coloured by influence", moved);
    let coloured = [];
    return {
      show(i, pinned) {
        coloured.forEach((one) => text.colour(one, 0));
        coloured = [];
        const row = i * model.window;
        for (let k = 0; k < Math.min(i, model.window); k++) {
          const value = model.influence[row + k];
          if (value) {
            text.colour(i - 1 - k, 0.95 * Math.sqrt(value / 255));
            coloured.push(i - 1 - k);
          }
        }
        text.show(i, pinned);
        const start = i < model.window ? model.influence[row + i] / 255 : 0;
        box.replaceChildren(predicted(model, i, start > 0.01 ? `The beginning itself: ${percent(start)} of the largest influence.` : ""));
      },
    };
  };

  const surprise = (holder, model, moved) => {
    const box = readout(holder);
    scale(holder, "0 bits: certain", "8 bits or more");
    const text = new Text(holder, "The text, coloured by surprise", moved);
    symbols.forEach((_, i) => text.colour(i, 0.9 * Math.min(1, model.bits[i] / 8)));
    return {
      show(i, pinned) {
        text.show(i, pinned);
        box.replaceChildren(predicted(model, i));
      },
    };
  };

  const neurons = (holder, model, moved) => {
    const label = make("label", "", "Unit ");
    const choice = make("select");
    for (const pattern of model.patterns) {
      const group = make("optgroup");
      group.label = `follow: ${pattern.name}`;
      for (const one of pattern.units) {
        group.append(new Option(`${model.units[one.unit]}  (${signed(one.held, 2)} held out)`, one.unit));
      }
      choice.append(group);
    }
    if (model.units.length === model.all_units) {
      const group = make("optgroup");
      group.label = "all units";
      [...model.units.keys()]
        .sort((a, b) => model.units[a].localeCompare(model.units[b], "en", { numeric: true }))
        .forEach((unit) => group.append(new Option(model.units[unit], unit)));
      choice.append(group);
    }
    choice.selectedIndex = model.first;
    label.append(choice);
    holder.append(label);
    const box = readout(holder, "readout short");
    scale(holder, "below zero", "above zero", true);
    const text = new Text(holder, "The text, coloured by one unit", moved);
    const value = (i) => model.values[Number(choice.value) * symbols.length + i] / 127;
    const say = (i) => {
      const unit = Number(choice.value);
      const number = signed(value(i) * model.most[unit], 3);
      box.replaceChildren(`${model.units[unit]} after “`, make("bdi", "mono", shown(symbols[i])), `”: ${number}`);
    };
    const paint = () => symbols.forEach((_, i) => text.colour(i, 0.75 * value(i)));
    choice.addEventListener("change", () => {
      paint();
      say(text.at ?? 0);
    });
    paint();
    return {
      show(i, pinned) {
        text.show(i, pinned);
        say(i);
      },
    };
  };

  // --- one place in the text for all models of a page -------------------------------------------

  const VIEWS = { memorization, surprise, neurons };

  class Views {
    constructor(section) {
      this.name = nameOf(section);
      this.pinned = false;
      const moved = (i, how) => this.moved(i, how);
      this.views = [...section.querySelectorAll(".view")].map((holder) =>
        VIEWS[this.name](holder, models[Number(holder.dataset.model)], moved),
      );
      this.show(Math.min(symbols.length - 1, 120));
    }

    moved(i, how) {
      if (how === "point" && this.pinned) return;
      if (how === "click") this.pinned = !(this.pinned && i === this.at);
      if (how === "free") this.pinned = false;
      this.show(i);
      if (how !== "point") history.replaceState(null, "", this.pinned ? `#${this.name}:${i}` : `#${this.name}`);
    }

    pin(i) {
      if (!(i >= 0 && i < symbols.length)) return;
      this.pinned = true;
      this.show(i);
    }

    show(i) {
      this.at = i;
      this.views.forEach((view) => view.show(i, this.pinned));
    }
  }

  const made = new Map();
  const viewsOf = (section) => {
    if (!section.querySelector(".view")) return null;
    if (!made.has(section)) made.set(section, new Views(section));
    return made.get(section);
  };

  // --- figures ----------------------------------------------------------------------------------

  const DARK = {
    "#1f4e8c": "#7fb0f2", "#c8501e": "#f0885a", "#2a7f4f": "#63c28d", "#7b4ba0": "#bd93e0", "#b8860b": "#e0b84a",
    "#3d8ea8": "#74c5dd", "#a03050": "#ea7b9a", "#5a5a5a": "#b5b5b5", "#b9c9de": "#4a5a72", "#2a3f5f": "#d5dbe5",
    "#ebf0f8": "#303846", "#c8d4e3": "#4a5464",
  };
  const DARK_FADED = [/rgba\(31,78,140,/g, "rgba(127,176,242,"];
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const draw = (figure, width) => {
    let source = JSON.stringify(data.figures[Number(figure.dataset.figure)]);
    const night = dark.matches && width === undefined;
    if (night) source = source.replace(/#[0-9a-f]{6}/gi, (one) => DARK[one.toLowerCase()] ?? one).replace(...DARK_FADED);
    const { data: traces, layout } = JSON.parse(source);
    Object.assign(layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", width });
    layout.legend = { ...layout.legend, bgcolor: "rgba(0,0,0,0)" };
    if (traces.filter((trace) => trace.showlegend !== false).length < 6) Object.assign(layout.legend, { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 });
    const place = figure.querySelector(".plot");
    if (layout.height) place.style.minHeight = `${layout.height}px`;
    Plotly.react(place, traces, layout, { responsive: true, displaylogo: false, displayModeBar: false });
    figure.drawn = true;
  };
  const figuresOf = (root) => [...root.querySelectorAll("figure")];

  // --- pages ------------------------------------------------------------------------------------

  const open = () => {
    const [name, place] = decodeURIComponent(location.hash.slice(1)).split(":");
    const page = sections.find((section) => nameOf(section) === name) ?? sections[0];
    sections.forEach((section) => (section.hidden = section !== page));
    links.forEach((link) => {
      if (link.hash === `#${nameOf(page)}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    figuresOf(page).filter((figure) => !figure.drawn).forEach((figure) => draw(figure));
    const views = viewsOf(page);
    if (place !== undefined && views) {
      views.pin(Number(place));
      page.querySelector(".here")?.scrollIntoView({ block: "nearest" });
    }
  };

  const drawnFigures = () => figuresOf(document).filter((figure) => figure.drawn);
  dark.addEventListener("change", () => drawnFigures().forEach((figure) => draw(figure)));
  addEventListener("hashchange", open);
  addEventListener("beforeprint", () => {
    sections.forEach(viewsOf);
    figuresOf(document).forEach((figure) => draw(figure, 680));
  });
  addEventListener("afterprint", () => {
    drawnFigures().forEach((figure) => (figure.closest("section").hidden ? (figure.drawn = false) : draw(figure)));
  });
  open();
})();
