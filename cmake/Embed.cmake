# ff_embed(target name file): makes the text of `file` part of `target`, as `extern const std::string_view name` in namespace
# fringeflow::embedded. The text is read when CMake runs; CMake runs again when the file changes.
function(ff_embed target name file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  set(source ${PROJECT_BINARY_DIR}/generated/embedded_${name}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY NEWLINE_STYLE UNIX CONTENT [[
#include <string_view>
namespace fringeflow::embedded {
extern const std::string_view @name@;
constexpr char text[] = R"ff_embedded(@text@)ff_embedded";
const std::string_view @name@{text, sizeof text - 1};
}
]])
  target_sources(${target} PRIVATE ${source})
endfunction()
