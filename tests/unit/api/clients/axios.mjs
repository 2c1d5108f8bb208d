// The sample for Node.js of remove.bg's documents, with axios' own default headers: node axios.mjs SERVER PHOTO OUT
import { readFileSync, writeFileSync } from "node:fs";
import axios from "axios";
import FormData from "form-data";

const [, , server, photo, out] = process.argv;
const form = new FormData();
form.append("size", "auto");
form.append("image_file", readFileSync(photo), "photo.png");
const answer = await axios.post(`${server}/v1.0/removebg`, form, {
  responseType: "arraybuffer",
  headers: { ...form.getHeaders(), "X-Api-Key": process.env.KEY },
});
writeFileSync(out, answer.data);
