// npm's remove.bg as it is, with another address: node removebg.cjs SERVER PHOTO OUT file|base64
const fs = require("fs");
const Module = require("module");

const [, , server, photo, out, how] = process.argv;
const path = require.resolve("remove.bg");
const found = new Module(path, module);
found.filename = path;
found.paths = module.paths;
found._compile(fs.readFileSync(path, "utf8").replace("https://api.remove.bg", server), path);
const client = found.exports;

const options = { apiKey: process.env.KEY, size: "regular", type: "auto", outputFile: out };
const answer =
  how === "file"
    ? client.removeBackgroundFromImageFile({ ...options, path: photo })
    : client.removeBackgroundFromImageBase64({ ...options, base64img: fs.readFileSync(photo, "base64") });
answer.then(
  (result) => console.log(JSON.stringify({ ...result, base64img: result.base64img.length })),
  (errors) => {
    console.error(JSON.stringify(errors));
    process.exit(1);
  },
);
