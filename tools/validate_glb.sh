#!/bin/sh
# The Khronos glTF validator on .glb files: sh tools/validate_glb.sh FILE...   Needs Node.js and npm.
set -eu
[ $# -gt 0 ] || { echo "usage: sh tools/validate_glb.sh FILE..." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" gltf-validator@2.0.0-dev.3.10 >/dev/null
cat > "$folder/validate.cjs" <<'SCRIPT'
const fs = require("fs"), validator = require("gltf-validator");
(async () => {
  let faults = 0;
  for (const file of process.argv.slice(2)) {
    const { issues } = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)));
    console.log(`${file}: ${issues.numErrors} errors, ${issues.numWarnings} warnings, ${issues.numInfos} remarks`);
    for (const { code, message, pointer } of issues.messages) console.log(`  ${code} ${pointer}: ${message}`);
    faults += issues.numErrors + issues.numWarnings;
  }
  process.exitCode = faults ? 1 : 0;
})().catch((fault) => { console.error(`${fault}`); process.exitCode = 1; });
SCRIPT
node "$folder/validate.cjs" "$@"
