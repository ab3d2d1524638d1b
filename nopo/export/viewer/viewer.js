// Draws an avatar of 3D Gaussians and moves it: skinning and projection in the vertex shader, depth sort here.
// The same picture as nopo.render draws (3D Gaussian splatting, Kerbl et al. 2023), with the constant part of the colours.
"use strict";

const ROW = 1024; // Gaussians in a row of the textures
const BONES = 4; // joints that move one Gaussian
const NEIGHBOURS = 6; // Gaussians that one is drawn out by
const WIDE = 2048; // texels in a row of the texture that says how
const NEAR_M = 0.2;
const KEYS = 1 << 16; // depths that the sort tells apart
const PERIOD_MS = 26; // from picture to picture, and then the screen's next one: 30 a second on most
const QUICK_MS = 12, SLOW_MS = 40; // pictures that take less may be finer, more coarser
const COARSEST = 0.5;
const STILL_MS = 250; // after which a picture that does not change is drawn with all its pixels

const VERTEX = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
precision highp sampler2D;
uniform usampler2D means, joints, order;
uniform sampler2D covUpper, covLower, colours, weights, growth;
uniform vec4 moves[165]; // three rows of each joint's transform
uniform mat3 turn; // world to camera: x right, y down, z forward
uniform vec3 shift, low, grain;
uniform vec2 size, slope; // of the picture in pixels; the most that x / z and y / z may be where the lens is linearised
uniform float focal, most; // the largest addition to a linear map
out vec4 colour;
out vec2 spot;

void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0); // outside, unless all goes well
  int place = gl_VertexID >> 2; // from the back
  int splat = int(texelFetch(order, ivec2(place % ${ROW}, place / ${ROW}), 0).x);
  vec2 corner = vec2(2 * (gl_VertexID & 1) - 1, (gl_VertexID & 2) - 1);
  ivec2 at = ivec2(splat % ${ROW}, splat / ${ROW});
  colour = texelFetch(colours, at, 0);
  float reach = 2.0 * log(255.0 * colour.a); // squared standard deviations until alpha is 1/255
  if (reach <= 0.0) return;

  uvec4 j = 3u * texelFetch(joints, at, 0);
  vec4 w = texelFetch(weights, at, 0);
  vec4 r0 = w.x * moves[j.x] + w.y * moves[j.y] + w.z * moves[j.z] + w.w * moves[j.w];
  vec4 r1 = w.x * moves[j.x + 1u] + w.y * moves[j.y + 1u] + w.z * moves[j.z + 1u] + w.w * moves[j.w + 1u];
  vec4 r2 = w.x * moves[j.x + 2u] + w.y * moves[j.y + 2u] + w.z * moves[j.z + 2u] + w.w * moves[j.w + 2u];
  vec4 rest = vec4(low + grain * vec3(texelFetch(means, at, 0).xyz), 1.0);
  vec3 moved = vec3(dot(r0, rest), dot(r1, rest), dot(r2, rest));
  vec3 p = turn * moved + shift;
  if (p.z < ${NEAR_M}) return;

  mat3 more = mat3(0.0); // what the neighbours add to the linear map: see growthOf
  for (int k = 0; k < ${BONES}; k++) {
    vec4 m0 = moves[j[k]], m1 = moves[j[k] + 1u], m2 = moves[j[k] + 2u];
    vec3 aside = vec3(dot(m0, rest), dot(m1, rest), dot(m2, rest)) - moved;
    for (int column = 0; column < 3; column++) {
      int texel = ${3 * BONES} * splat + 3 * k + column;
      vec4 grown = texelFetch(growth, ivec2(texel % ${WIDE}, texel / ${WIDE}), 0);
      more[column] += vec3(dot(m0.xyz, grown.xyz), dot(m1.xyz, grown.xyz), dot(m2.xyz, grown.xyz)) + aside * grown.w;
    }
  }
  more *= most / max(most, sqrt(dot(more[0], more[0]) + dot(more[1], more[1]) + dot(more[2], more[2])));

  vec3 a = texelFetch(covUpper, at, 0).xyz * 1e-4, b = texelFetch(covLower, at, 0).xyz * 1e-4; // square metres
  mat3 covar = mat3(a.x, a.y, a.z, a.y, b.x, b.y, a.z, b.y, b.z);
  mat3 linear = turn * (transpose(mat3(r0.xyz, r1.xyz, r2.xyz)) + more);
  vec2 tangent = clamp(p.xy / p.z, -slope, slope);
  vec3 u = vec3(focal / p.z, 0.0, -focal * tangent.x / p.z) * linear;
  vec3 v = vec3(0.0, focal / p.z, -focal * tangent.y / p.z) * linear;
  float xx = dot(u, covar * u) + 0.3, xy = dot(u, covar * v), yy = dot(v, covar * v) + 0.3;
  float middle = 0.5 * (xx + yy);
  float away = length(vec2(0.5 * (xx - yy), xy));
  float least = middle - away;
  if (!(least > 0.0)) return;
  vec2 axis = away < 1e-6 ? vec2(1.0, 0.0) : normalize(xx > yy ? vec2(0.5 * (xx - yy) + away, xy) : vec2(xy, 0.5 * (yy - xx) + away));

  spot = corner * sqrt(reach);
  vec2 pixel = focal * p.xy / p.z + axis * sqrt(middle + away) * spot.x + vec2(-axis.y, axis.x) * sqrt(least) * spot.y;
  gl_Position = vec4(2.0 * pixel / size * vec2(1.0, -1.0), 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 colour;
in vec2 spot;
out vec4 blended;
void main() {
  float alpha = min(0.99, colour.a * exp(-0.5 * dot(spot, spot)));
  if (alpha < 1.0 / 255.0) discard;
  blended = vec4(colour.rgb * alpha, alpha);
}`;

/** Base64 of zlib to bytes. */
async function unpack(text) {
  if (!window.DecompressionStream) throw new Error("This browser is too old; open the page in a newer one.");
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Views of the blocks of numbers, in the order that nopo/export/web.py writes them. */
function divide(scene, bytes) {
  let from = 0;
  const take = (Kind, count) => {
    const part = new Kind(bytes, from, count);
    from += part.byteLength;
    return part;
  };
  const padded = Math.ceil(scene.count / ROW) * ROW;
  const cloud = {
    means: take(Uint16Array, 3 * padded),
    covUpper: take(Uint16Array, 3 * padded),
    covLower: take(Uint16Array, 3 * padded),
    colours: take(Uint8Array, 4 * padded),
    joints: take(Uint8Array, BONES * padded),
    weights: take(Uint8Array, BONES * padded),
    neighbours: take(Int32Array, NEIGHBOURS * padded),
  };
  const motions = scene.motions.map((motion) => ({
    ...motion,
    places: take(Float32Array, 3 * motion.frames),
    turns: take(Int16Array, 4 * scene.parents.length * motion.frames),
  }));
  return { cloud, motions };
}

/** Centres in the T-pose, metres. */
const restOf = (scene, cloud) => Float32Array.from({ length: 3 * scene.count }, (_, i) => scene.low[i % 3] + scene.grain[i % 3] * cloud.means[i]);

/**
 * How each Gaussian is drawn out where a joint pulls the surface apart, as nopo/stretch.py does. Its neighbours m, d_m
 * away, count c_m; least squares take (sum of c d dT + stiffness)^-1 c_m d_m = s_m of how far each is moved beyond what
 * the Gaussian's own map L says: sum over m of (moved_m - moved - L d_m) s_mT. All of it is linear in the joints' maps
 * R_j: with w the difference of the two weights of joint j, the sum over j of R_j (sum of w d_m s_mT) + (where j takes
 * the Gaussian - moved) (sum of w s_mT). So the two sums are all that the shader needs: for every Gaussian, joint and
 * column three numbers and one.
 */
function growthOf(scene, cloud, rest) {
  const { count, stretch } = scene, { neighbours, joints, weights } = cloud;
  const grown = new Float32Array(4 * WIDE * Math.ceil((3 * BONES * count) / WIDE));
  const aways = new Float32Array(3 * NEIGHBOURS), counts = new Float32Array(NEIGHBOURS), shares = new Float32Array(3);
  const mores = new Float32Array(BONES * NEIGHBOURS); // how much more each joint moves the neighbour
  const weightOf = (splat, joint) => {
    for (let k = BONES * splat; k < BONES * splat + BONES; k++) if (joints[k] === joint) return weights[k] / 255;
    return 0;
  };
  for (let i = 0; i < count; i++) {
    let xx = 0, xy = 0, xz = 0, yy = 0, yz = 0, zz = 0, differ = 0;
    for (let m = 0; m < NEIGHBOURS; m++) {
      const other = i + neighbours[NEIGHBOURS * i + m];
      counts[m] = 0;
      if (other === i) continue;
      const x = (aways[3 * m] = rest[3 * other] - rest[3 * i]);
      const y = (aways[3 * m + 1] = rest[3 * other + 1] - rest[3 * i + 1]);
      const z = (aways[3 * m + 2] = rest[3 * other + 2] - rest[3 * i + 2]);
      let apart = 1; // the neighbour's weights of other joints, once those of these are taken away
      for (let k = 0; k < BONES; k++) {
        const weight = weightOf(other, joints[BONES * i + k]);
        const more = (mores[BONES * m + k] = weight - weights[BONES * i + k] / 255);
        apart += Math.abs(more) - weight;
      }
      const c = apart < stretch.alike ? Math.max(0, 1 - (x * x + y * y + z * z) / stretch.reach ** 2) : 0;
      counts[m] = c;
      differ = Math.max(differ, c * apart);
      xx += c * x * x; xy += c * x * y; xz += c * x * z; yy += c * y * y; yz += c * y * z; zz += c * z * z;
    }
    if (differ <= stretch.same) continue;
    const stiff = (stretch.stiffness / 2) * (xx + yy + zz) + 1e-9;
    xx += stiff; yy += stiff; zz += stiff;
    const a = yy * zz - yz * yz, b = xz * yz - xy * zz, c = xy * yz - xz * yy; // the inverse, but for its scale
    const e = xx * zz - xz * xz, f = xy * xz - xx * yz, g = xx * yy - xy * xy;
    const scale = 1 / (xx * a + xy * b + xz * c);
    for (let m = 0; m < NEIGHBOURS; m++) {
      if (!counts[m]) continue;
      const x = aways[3 * m], y = aways[3 * m + 1], z = aways[3 * m + 2], part = counts[m] * scale;
      shares[0] = part * (a * x + b * y + c * z);
      shares[1] = part * (b * x + e * y + f * z);
      shares[2] = part * (c * x + f * y + g * z);
      for (let k = 0; k < BONES; k++) {
        for (let column = 0; column < 3; column++) {
          const at = 4 * (3 * (BONES * i + k) + column), share = mores[BONES * m + k] * shares[column];
          grown[at] += share * x;
          grown[at + 1] += share * y;
          grown[at + 2] += share * z;
          grown[at + 3] += share;
        }
      }
    }
  }
  return grown;
}

/** Where the joints take what is bound to them: forward kinematics at a time of a motion. */
class Skeleton {
  constructor(scene) {
    this.rest = scene.rest;
    this.parents = scene.parents;
    this.moves = new Float32Array(12 * scene.parents.length); // rows of [turn | shift]
    this.places = new Float32Array(3 * scene.parents.length);
  }

  pose(motion, seconds) {
    const at = motion.loop ? (seconds * motion.fps) % motion.frames : Math.min(seconds * motion.fps, motion.frames - 1);
    const before = Math.floor(at);
    const after = before + 1 < motion.frames ? before + 1 : motion.loop ? 0 : before;
    for (let joint = 0; joint < this.parents.length; joint++) this.poseJoint(motion, joint, before, after, at - before);
  }

  poseJoint(motion, joint, before, after, share) {
    const { rest, moves, places } = this;
    const local = turnBetween(motion.turns, 4 * (joint + this.parents.length * before), 4 * (joint + this.parents.length * after), share);
    const parent = this.parents[joint], m = 12 * joint, up = 12 * parent;
    for (let row = 0; row < 3; row++) {
      let place;
      if (parent < 0) {
        for (let k = 0; k < 3; k++) moves[m + 4 * row + k] = local[3 * row + k];
        const [one, two] = [motion.places[3 * before + row], motion.places[3 * after + row]];
        place = rest[0][row] + one + (two - one) * share;
      } else {
        place = places[3 * parent + row];
        for (let k = 0; k < 3; k++) {
          const along = moves[up + 4 * row + k];
          place += along * (rest[joint][k] - rest[parent][k]);
        }
        for (let k = 0; k < 3; k++) {
          let sum = 0;
          for (let i = 0; i < 3; i++) sum += moves[up + 4 * row + i] * local[3 * i + k];
          moves[m + 4 * row + k] = sum;
        }
      }
      places[3 * joint + row] = place;
      let shift = place;
      for (let k = 0; k < 3; k++) shift -= moves[m + 4 * row + k] * rest[joint][k];
      moves[m + 4 * row + 3] = shift;
    }
  }
}

/** The rotation matrix, by rows, between two quaternions wxyz. */
function turnBetween(turns, one, two, share) {
  let dot = 0;
  for (let k = 0; k < 4; k++) dot += turns[one + k] * turns[two + k];
  const sign = dot < 0 ? -1 : 1;
  let [w, x, y, z] = [0, 1, 2, 3].map((k) => turns[one + k] * (1 - share) + sign * turns[two + k] * share);
  const scale = 1 / Math.hypot(w, x, y, z);
  w *= scale; x *= scale; y *= scale; z *= scale;
  return [
    1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
    2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
    2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
  ];
}

/** The order from back to front, by one counting sort over posed depths. */
class Sorter {
  constructor(scene, cloud, rest) {
    this.count = scene.count;
    this.rest = rest;
    this.weights = Float32Array.from(cloud.weights.subarray(0, BONES * this.count), (weight) => weight / 255);
    this.joints = cloud.joints;
    this.depths = new Float32Array(this.count);
    this.order = new Uint32Array(ROW * Math.ceil(this.count / ROW));
    this.ends = new Uint32Array(KEYS);
    this.rows = new Float32Array(4 * scene.parents.length); // how deep each joint takes a point
  }

  sort(moves, forward) {
    const { rows, rest, weights, joints, depths, order, ends, count } = this;
    for (let j = 0; j < rows.length / 4; j++) {
      for (let k = 0; k < 4; k++) {
        rows[4 * j + k] = forward[0] * moves[12 * j + k] + forward[1] * moves[12 * j + 4 + k] + forward[2] * moves[12 * j + 8 + k];
      }
    }
    let nearest = Infinity, farthest = -Infinity;
    for (let i = 0; i < count; i++) {
      const x = rest[3 * i], y = rest[3 * i + 1], z = rest[3 * i + 2];
      let depth = 0;
      for (let k = BONES * i; k < BONES * i + BONES && weights[k] > 0; k++) {
        const row = 4 * joints[k];
        depth += weights[k] * (rows[row] * x + rows[row + 1] * y + rows[row + 2] * z + rows[row + 3]);
      }
      depths[i] = depth;
      if (depth < nearest) nearest = depth;
      if (depth > farthest) farthest = depth;
    }
    const scale = (KEYS - 1) / Math.max(farthest - nearest, 1e-6);
    ends.fill(0);
    for (let i = 0; i < count; i++) ends[((farthest - depths[i]) * scale) | 0]++;
    for (let key = 1; key < KEYS; key++) ends[key] += ends[key - 1];
    for (let i = count - 1; i >= 0; i--) order[--ends[((farthest - depths[i]) * scale) | 0]] = i;
    return order;
  }
}

/** Everything that lives on the graphics card. */
class Painter {
  constructor(canvas, scene, cloud, rest) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true });
    if (!gl) throw new Error("This browser shows no 3D (WebGL 2): try a newer one, or switch on hardware acceleration.");
    this.gl = gl;
    this.canvas = canvas;
    this.scene = scene;
    this.program = this.build();
    this.names = {};
    this.units = 0;
    const texture = (name, inner, outer, kind) => this.texture(name, cloud[name], inner, outer, kind);
    texture("means", gl.RGB16UI, gl.RGB_INTEGER, gl.UNSIGNED_SHORT);
    texture("joints", gl.RGBA8UI, gl.RGBA_INTEGER, gl.UNSIGNED_BYTE);
    texture("covUpper", gl.RGB16F, gl.RGB, gl.HALF_FLOAT);
    texture("covLower", gl.RGB16F, gl.RGB, gl.HALF_FLOAT);
    texture("colours", gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE);
    texture("weights", gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE);
    this.order = this.texture("order", null, gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT);
    this.texture("growth", growthOf(scene, cloud, rest), gl.RGBA16F, gl.RGBA, gl.FLOAT, WIDE, Math.ceil((3 * BONES * scene.count) / WIDE));
    gl.uniform1f(this.place("most"), scene.stretch.most);
    this.fillQuads();
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.clearColor(...scene.background, 1);
    gl.uniform3fv(this.place("low"), scene.low);
    gl.uniform3fv(this.place("grain"), scene.grain);
  }

  build() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
      throw new Error(`The graphics card refuses the shader: ${logs.join(" ")} ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    return program;
  }

  place(name) {
    return (this.names[name] ??= this.gl.getUniformLocation(this.program, name));
  }

  texture(name, values, inner, outer, kind, wide = ROW, tall = Math.ceil(this.scene.count / ROW)) {
    const { gl } = this;
    const unit = this.units++;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, inner, wide, tall, 0, outer, kind, values);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.uniform1i(this.place(name), unit);
    return unit;
  }

  /** Two triangles for each four corners: instances would be as many draws where there is no graphics card. */
  fillQuads() {
    const { gl } = this;
    const corners = new Uint32Array(6 * this.scene.count);
    for (let i = 0; i < corners.length; i++) corners[i] = 4 * Math.floor(i / 6) + [0, 1, 2, 2, 1, 3][i % 6];
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
  }

  paint(camera, moves, order) {
    const { gl, canvas } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const focal = (0.5 * Math.min(canvas.width, canvas.height)) / Math.tan((this.scene.fov * Math.PI) / 360);
    gl.uniform1f(this.place("focal"), focal);
    gl.uniform2f(this.place("size"), canvas.width, canvas.height);
    gl.uniform2f(this.place("slope"), (1.3 * canvas.width) / (2 * focal), (1.3 * canvas.height) / (2 * focal));
    gl.uniformMatrix3fv(this.place("turn"), true, camera.turn);
    gl.uniform3fv(this.place("shift"), camera.shift);
    gl.uniform4fv(this.place("moves"), moves);
    gl.activeTexture(gl.TEXTURE0 + this.order);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, ROW, order.length / ROW, gl.RED_INTEGER, gl.UNSIGNED_INT, order);
    gl.drawElements(gl.TRIANGLES, 6 * this.scene.count, gl.UNSIGNED_INT, 0);
  }
}

/** A camera on a sphere, as nopo.camera.orbit: azimuth 0 sees the front, 90 the person's left side. */
function orbit(view) {
  const a = (view.azimuth * Math.PI) / 180, e = (view.elevation * Math.PI) / 180;
  const away = [Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)];
  const right = [Math.cos(a), 0, -Math.sin(a)];
  const down = [Math.sin(a) * Math.sin(e), -Math.cos(e), Math.cos(a) * Math.sin(e)];
  const forward = away.map((x) => -x);
  const eye = away.map((x, k) => view.center[k] + view.distance * x);
  const shift = [right, down, forward].map((axis) => -(axis[0] * eye[0] + axis[1] * eye[1] + axis[2] * eye[2]));
  return { turn: [...right, ...down, ...forward], shift, right, down, forward };
}

/** Pointers, wheel and keys change the view. */
class Hand {
  constructor(canvas, view, home, moved) {
    Object.assign(this, { canvas, view, home, moved });
    this.pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(Math.exp(0.001 * event.deltaY)); }, { passive: false });
    canvas.addEventListener("dblclick", () => this.change(home()));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  change(values) {
    Object.assign(this.view, values);
    this.moved();
  }

  turn(right, up) {
    this.change({ azimuth: this.view.azimuth - right, elevation: Math.max(-85, Math.min(85, this.view.elevation + up)) });
  }

  zoom(factor) {
    const { distance } = this.home();
    this.change({ distance: Math.max(0.15 * distance, Math.min(3 * distance, this.view.distance * factor)) });
  }

  pan(right, down) {
    const axes = orbit(this.view);
    const metres = (2 * this.view.distance * Math.tan((this.view.fov * Math.PI) / 360)) / Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
    this.change({ center: this.view.center.map((x, k) => x - metres * (right * axes.right[k] + down * axes.down[k])) });
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const [right, down] = [event.clientX - before.clientX, event.clientY - before.clientY];
    const other = [...this.pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) {
      const apart = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
      this.zoom(Math.max(apart(before), 1) / Math.max(apart(event), 1));
      this.pan(right / 2, down / 2);
    } else if (event.buttons & 2 || event.shiftKey) this.pan(right, down);
    else this.turn(0.5 * right, 0.5 * down);
    this.pointers.set(event.pointerId, event);
  }

  key(event) {
    const steps = { ArrowLeft: [10, 0], ArrowRight: [-10, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] }[event.key];
    if (steps) this.turn(...steps);
    else if (event.key === "+" || event.key === "-") this.zoom(event.key === "+" ? 0.9 : 1 / 0.9);
    else return;
    event.preventDefault();
  }
}

/**
 * When pictures are drawn: only when one was asked for, at most so many a second, and never before the browser is done
 * with the last and has rested as long. Without a graphics card it would else have no time for anything beside it.
 */
class Pace {
  constructor(gl, paint) {
    this.gl = gl;
    this.paint = paint;
    this.asked = this.busy = false;
    this.scale = 1; // of the picture's sides: fewer pixels where each picture takes long
    this.spent = QUICK_MS; // on a picture of late
  }

  /** A picture, soon; none while the page is hidden, for then the browser calls nobody. */
  ask() {
    this.asked = true;
    if (!this.busy) requestAnimationFrame((now) => this.begin(now));
    this.busy = true;
  }

  begin(now) {
    const { gl } = this;
    const begun = performance.now();
    this.asked = false;
    this.paint(now);
    const done = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    const look = () => {
      const spent = performance.now() - begun;
      if (gl.getSyncParameter(done, gl.SYNC_STATUS) === gl.UNSIGNALED && !gl.isContextLost()) return void setTimeout(look, 2 + spent / 8);
      gl.deleteSync(done);
      this.learn(spent);
      setTimeout(() => this.rested(), Math.max(spent, PERIOD_MS - spent));
    };
    setTimeout(look, 1);
  }

  rested() {
    this.busy = false;
    if (this.asked) this.ask();
  }

  learn(spent) {
    this.spent += 0.5 * (spent - this.spent);
    if (this.spent > SLOW_MS) this.scale = Math.max(COARSEST, 0.8 * this.scale);
    if (this.spent < QUICK_MS) this.scale = Math.min(1, 1.25 * this.scale);
  }
}

/** The page: what plays, from where it is seen, and when a new picture is due. */
async function start() {
  const part = (id) => document.getElementById(id);
  const scene = JSON.parse(part("scene").textContent);
  const { cloud, motions } = divide(scene, await unpack(part("data").textContent));
  const canvas = part("canvas"), play = part("play"), choice = part("motion");
  const rest = restOf(scene, cloud);
  const painter = new Painter(canvas, scene, cloud, rest);
  const skeleton = new Skeleton(scene), sorter = new Sorter(scene, cloud, rest);
  const home = () => {
    const { center, wide, tall } = motions[state.motion];
    const aspect = canvas.width / canvas.height; // the lens spans the shorter side
    const distance = Math.max(wide * Math.min(1, 1 / aspect), tall * Math.min(1, aspect));
    return { azimuth: scene.azimuth, elevation: scene.elevation, center, distance };
  };
  const still = motions.every((motion) => motion.frames === 1);
  const lively = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const state = { motion: 0, seconds: 0, playing: lively, turning: lively };
  const view = { fov: scene.fov };

  let untouched = true; // the camera stands where it was put at first
  const moved = () => { state.turning = untouched = false; pace.ask(); };
  const fit = (scale) => {
    const ratio = scale * Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio)), height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width === width && canvas.height === height) return;
    Object.assign(canvas, { width, height });
    if (untouched) Object.assign(view, home());
  };
  const label = () => {
    play.textContent = state.playing ? "Pause" : "Play";
    play.setAttribute("aria-pressed", String(state.playing));
  };
  const draw = (scale = 1) => {
    fit(scale);
    const camera = orbit(view);
    skeleton.pose(motions[state.motion], state.seconds);
    painter.paint(camera, skeleton.moves, sorter.sort(skeleton.moves, camera.forward));
  };

  let last = Infinity, inSight = true, settled = 0;
  /** Whether it moves by itself: the motion, or the person who has none. */
  const passes = (seconds) => {
    const motion = motions[state.motion];
    const plays = state.playing && motion.frames > 1;
    if (plays) state.seconds += seconds;
    if (plays && !motion.loop && state.seconds > motion.frames / motion.fps) state.seconds = 0;
    const turns = still && state.turning;
    if (turns) view.azimuth += 30 * seconds;
    return plays || turns;
  };
  const pace = new Pace(painter.gl, (now) => {
    const moves = passes(Math.max(0, Math.min((now - last) / 1000, 0.3))); // a hidden tab does not jump ahead
    last = moves ? now : Infinity;
    if (!inSight) return;
    clearTimeout(settled);
    draw(pace.scale);
    if (moves) pace.ask();
    else if (pace.scale < 1) settled = setTimeout(draw, STILL_MS);
  });

  fit(1);
  new Hand(canvas, view, home, moved);
  new ResizeObserver(() => pace.ask()).observe(canvas);
  new IntersectionObserver((sights) => {
    inSight = sights.at(-1).isIntersecting;
    pace.ask();
  }).observe(canvas);
  const toggle = () => { state.playing = !state.playing; label(); pace.ask(); };
  play.addEventListener("click", toggle);
  canvas.addEventListener("keydown", (event) => { if (event.key === " ") { event.preventDefault(); toggle(); } });
  motions.forEach((motion, index) => choice.add(new Option(motion.name, String(index))));
  choice.addEventListener("change", () => {
    const free = view.azimuth;
    Object.assign(state, { motion: Number(choice.value), seconds: 0, playing: true });
    Object.assign(view, home(), { azimuth: free });
    pace.ask();
    label();
  });
  play.hidden = still;
  choice.hidden = motions.length < 2;
  label();
  canvas.addEventListener("webglcontextlost", () => say("The graphics card gave up; open the page again."));

  draw();
  say("");
  pace.ask();
  /** For tests and other pages: set any of motion, seconds, playing, azimuth, elevation, distance, center, and draw. */
  window.nopo = {
    show(wish) {
      for (const key of Object.keys(wish)) (key in view ? view : state)[key] = wish[key];
      moved();
      draw();
    },
    state, view,
  };
}

function say(sentence) {
  document.getElementById("wait").textContent = sentence;
}

start().catch((error) => say(String(error.message || error)));
