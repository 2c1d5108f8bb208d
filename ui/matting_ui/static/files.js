// What is dropped, pasted or chosen: what kind of file it is, what a box has against it, and what lies in a folder.
window.mattingFiles = (() => {
  const NAMED = /\.(hei[cf]|avif|tiff?|jp2|j2k|ppm)$/i; // pictures whose type many a system does not know
  const MB = 2 ** 20;
  const MOST_READ = 1000; // files of a folder: who drops a whole disk by mistake need not wait for its end

  const isNameless = (file) => ["", "application/octet-stream"].includes(file.type); // HEIC on many systems: the server looks
  const isPicture = (file) => isNameless(file) || file.type.startsWith("image/");
  const isClip = (file) => window.mattingClips.some((suffix) => file.name.toLowerCase().endsWith(suffix));

  // What systems put beside photos, and nobody means.
  const isLitter = (name) => name.startsWith(".") || window.mattingLitter.includes(name.toLowerCase());

  // How much larger a file is than the server takes; nothing where it is not.
  const excess = (file, kind = "photo") => {
    const most = window.mattingMost[kind];
    return file.size > most ? `${file.name}: ${Math.ceil(file.size / MB * 10) / 10} MB > ${most / MB} MB` : "";
  };

  // Why a box cannot take a file, which Gradio would say in words of its own or not at all: the page's word for it, the
  // error's code, and about what; nothing when it can.
  const objection = (box, file) => {
    const takes = box?.matches(".takes-photo") ? "photo" : box?.matches(".takes-clip") ? "clip" : "";
    if (!takes) return null;
    if (!(takes === "photo" ? isPicture : isClip)(file)) return [`no_${takes}`, "invalid_image", file.name];
    const more = excess(file, takes);
    return more ? ["file_too_large", "file_too_large", more] : null;
  };

  const read = (call) => new Promise((done, failed) => call(done, failed));

  // The files below a folder, by name; a browser lists them a hundred at a time.
  const filesIn = async (folder, found = []) => {
    const reader = folder.createReader();
    const entries = [];
    for (let some; (some = await read((...ends) => reader.readEntries(...ends))).length; ) entries.push(...some);
    entries.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
    for (const entry of entries) {
      if (found.length >= MOST_READ) break;
      if (isLitter(entry.name)) continue;
      if (entry.isDirectory) await filesIn(entry, found);
      else found.push(await read((...ends) => entry.file(...ends)));
    }
    return found;
  };

  // The files that fall on the page; of folders, their pictures and clips. What is carried must be asked for at once.
  const dropped = async (carried) => {
    const folders = [...carried.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory);
    const names = new Set(folders.map((folder) => folder.name));
    const files = [...carried.files].filter((file) => !names.has(file.name)); // a folder stands among the files, too
    const inside = await Promise.all(folders.map((folder) => filesIn(folder).catch(() => [])));
    const usable = (file) => file.type.startsWith("image/") || NAMED.test(file.name) || isClip(file);
    return [...files, ...inside.flat().filter(usable)];
  };

  return { isPicture, isNameless, excess, objection, dropped };
})();
