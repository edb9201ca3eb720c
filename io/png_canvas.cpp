// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/png_canvas.hpp"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <optional>
#include <unordered_map>
#include <utility>

#include "io/error.hpp"

namespace fringeflow::io {
namespace {

/// Letters of 5 × 7 dots, one byte for each column with the top dot in the lowest bit.
struct Glyph {
  char letter;
  uint8_t columns[5];
};
constexpr Glyph kFont[] = {
    {'0', {0x3e, 0x51, 0x49, 0x45, 0x3e}}, {'1', {0x00, 0x42, 0x7f, 0x40, 0x00}},
    {'2', {0x42, 0x61, 0x51, 0x49, 0x46}}, {'3', {0x21, 0x41, 0x45, 0x4b, 0x31}},
    {'4', {0x18, 0x14, 0x12, 0x7f, 0x10}}, {'5', {0x27, 0x45, 0x45, 0x45, 0x39}},
    {'6', {0x3c, 0x4a, 0x49, 0x49, 0x30}}, {'7', {0x01, 0x71, 0x09, 0x05, 0x03}},
    {'8', {0x36, 0x49, 0x49, 0x49, 0x36}}, {'9', {0x06, 0x49, 0x49, 0x29, 0x1e}},
    {'-', {0x08, 0x08, 0x08, 0x08, 0x08}}, {'+', {0x08, 0x08, 0x3e, 0x08, 0x08}},
    {'.', {0x00, 0x60, 0x60, 0x00, 0x00}}, {'/', {0x20, 0x10, 0x08, 0x04, 0x02}},
    {'J', {0x20, 0x40, 0x41, 0x3f, 0x01}}, {'y', {0x0c, 0x50, 0x50, 0x50, 0x3c}},
    {'b', {0x7f, 0x48, 0x44, 0x44, 0x38}}, {'e', {0x38, 0x54, 0x54, 0x54, 0x18}},
    {'a', {0x20, 0x54, 0x54, 0x54, 0x78}}, {'m', {0x7c, 0x04, 0x18, 0x04, 0x78}},
    {'u', {0x3c, 0x40, 0x40, 0x20, 0x7c}}, {'p', {0x7c, 0x14, 0x14, 0x14, 0x08}},
    {'i', {0x00, 0x44, 0x7d, 0x40, 0x00}}, {'x', {0x44, 0x28, 0x10, 0x28, 0x44}},
    {'l', {0x00, 0x41, 0x7f, 0x40, 0x00}}, {'n', {0x7c, 0x08, 0x04, 0x04, 0x78}},
    {'k', {0x7f, 0x10, 0x28, 0x44, 0x00}}, {'A', {0x7e, 0x09, 0x09, 0x09, 0x7e}},
    {'B', {0x7f, 0x49, 0x49, 0x49, 0x36}}, {'C', {0x3e, 0x41, 0x41, 0x41, 0x22}},
    {'D', {0x7f, 0x41, 0x41, 0x41, 0x3e}}, {'E', {0x7f, 0x49, 0x49, 0x49, 0x41}},
    {'F', {0x7f, 0x09, 0x09, 0x09, 0x01}}, {'G', {0x3e, 0x41, 0x49, 0x49, 0x3a}},
    {'H', {0x7f, 0x08, 0x08, 0x08, 0x7f}}, {'I', {0x00, 0x41, 0x7f, 0x41, 0x00}},
    {'K', {0x7f, 0x08, 0x14, 0x22, 0x41}}, {'L', {0x7f, 0x40, 0x40, 0x40, 0x40}},
    {'M', {0x7f, 0x02, 0x0c, 0x02, 0x7f}}, {'N', {0x7f, 0x02, 0x0c, 0x10, 0x7f}},
    {'O', {0x3e, 0x41, 0x41, 0x41, 0x3e}}, {'P', {0x7f, 0x09, 0x09, 0x09, 0x06}},
    {'Q', {0x3e, 0x41, 0x51, 0x21, 0x5e}}, {'R', {0x7f, 0x09, 0x19, 0x29, 0x46}},
    {'S', {0x46, 0x49, 0x49, 0x49, 0x31}}, {'T', {0x01, 0x01, 0x7f, 0x01, 0x01}},
    {'U', {0x3f, 0x40, 0x40, 0x40, 0x3f}}, {'V', {0x1f, 0x20, 0x40, 0x20, 0x1f}},
    {'W', {0x7f, 0x20, 0x18, 0x20, 0x7f}}, {'X', {0x63, 0x14, 0x08, 0x14, 0x63}},
    {'Y', {0x03, 0x04, 0x78, 0x04, 0x03}}, {'Z', {0x61, 0x51, 0x49, 0x45, 0x43}},
    {':', {0x00, 0x00, 0x36, 0x00, 0x00}}, {'_', {0x40, 0x40, 0x40, 0x40, 0x40}},
};

const Glyph* find(char letter) {
  const auto* const glyph = std::find_if(std::begin(kFont), std::end(kFont),
                                         [letter](const Glyph& g) { return g.letter == letter; });
  return glyph == std::end(kFont) ? nullptr : glyph;
}

}  // namespace

void draw_text(Canvas& canvas, int64_t x, int64_t y, std::string_view text, int64_t size, Rgba colour) {
  for (const char c : text) {
    const Glyph* glyph = find(c);
    if (glyph == nullptr) glyph = find(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    if (glyph != nullptr) {
      for (int64_t i = 0; i < 5 * size; ++i) {
        for (int64_t j = 0; j < 7 * size; ++j) {
          if (glyph->columns[i / size] >> (j / size) & 1) canvas.set(x + i, y + j, colour);
        }
      }
    }
    x += 6 * size;
  }
}

namespace {

/// A canvas of few colours as indices into their list: a quarter of the bytes, and of the time that packing them takes.
struct Indexed {
  std::vector<Rgba> colours;     ///< at most 256
  std::vector<uint8_t> indices;  ///< [ny][nx]
};

std::optional<Indexed> indexed(const Canvas& canvas) {
  Indexed out;
  out.indices.reserve(canvas.pixels.size());
  std::unordered_map<uint32_t, uint8_t> known;
  uint32_t previous = 0;
  uint8_t index = 0;
  for (const Rgba& pixel : canvas.pixels) {
    const auto colour = std::bit_cast<uint32_t>(pixel);
    if (out.colours.empty() || colour != previous) {
      const auto at = known.find(colour);
      if (at != known.end()) {
        index = at->second;
      } else {
        if (out.colours.size() == 256) return std::nullopt;
        index = known[colour] = static_cast<uint8_t>(out.colours.size());
        out.colours.push_back(pixel);
      }
      previous = colour;
    }
    out.indices.push_back(index);
  }
  return out;
}

}  // namespace

void write_png(const std::string& path, const Canvas& canvas, Products* products) {
  // libpng's simplified interface: its errors are return values, not long jumps over C++ objects.
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(canvas.nx);
  image.height = static_cast<png_uint_32>(canvas.ny);
  const std::optional<Indexed> few = indexed(canvas);
  image.format = few ? PNG_FORMAT_RGBA_COLORMAP : PNG_FORMAT_RGBA;
  image.colormap_entries = few ? static_cast<png_uint_32>(few->colours.size()) : 0;
  image.flags = PNG_IMAGE_FLAG_FAST;  // a picture is not worth a second of compression
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<uint8_t> buffer(bytes);
  const void* pixels = few ? static_cast<const void*>(few->indices.data()) : canvas.pixels.data();
  const int good = png_image_write_to_memory(&image, buffer.data(), &bytes, 0, pixels, 0,
                                             few ? few->colours.data() : nullptr);
  const std::string message = image.message;
  png_image_free(&image);
  if (!good) throw RunError(fmt::format("{}: PNG: {}", path, message));
  AtomicFile file(path);
  file.write(buffer.data(), bytes);
  finish(std::move(file), products);
}

}  // namespace fringeflow::io
