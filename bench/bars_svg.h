// Bars side by side as one SVG: a panel a measure, in it a group a kind of work, in that a bar a contender.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace freshet::bench {

struct BarPanel {
  std::string title;                        // with its unit
  std::vector<std::vector<double>> groups;  // [group][contender]
};

inline void WriteBars(const std::filesystem::path& path, const std::string& title,
                      const std::vector<std::string>& groups,
                      const std::vector<std::string>& contenders,
                      const std::vector<BarPanel>& panels) {
  constexpr std::array<const char*, 4> kColours = {"#4477aa", "#ee6677", "#228833", "#ccbb44"};
  constexpr int kPanelWidth = 340, kPanelHeight = 190, kPlot = 120, kBar = 34, kColumns = 3;
  const int rows = (static_cast<int>(panels.size()) + kColumns - 1) / kColumns;
  std::string svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{}' height='{}' font-family='sans-serif' "
      "font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n"
      "<text x='12' y='22' font-size='15'>{}</text>\n",
      kPanelWidth * kColumns, 50 + kPanelHeight * rows, title);
  for (size_t c = 0; c < contenders.size(); ++c) {
    const int x = 12 + static_cast<int>(c) * 110;
    svg += fmt::format(
        "<rect x='{}' y='32' width='12' height='12' fill='{}'/><text x='{}' y='42'>{}</text>\n", x,
        kColours[c % kColours.size()], x + 17, contenders[c]);
  }
  for (size_t p = 0; p < panels.size(); ++p) {
    const int left = static_cast<int>(p) % kColumns * kPanelWidth + 12;
    const int top = 56 + static_cast<int>(p) / kColumns * kPanelHeight;
    double most = 0;
    for (const auto& group : panels[p].groups) {
      for (const double value : group) most = std::max(most, value);
    }
    svg += fmt::format("<text x='{}' y='{}' font-weight='bold'>{}</text>\n", left, top + 10,
                       panels[p].title);
    for (size_t g = 0; g < groups.size(); ++g) {
      const int x = left + static_cast<int>(g) * 108;
      for (size_t c = 0; c < contenders.size(); ++c) {
        const double value = panels[p].groups[g][c];
        const int height = most > 0 ? static_cast<int>(value / most * (kPlot - 16)) : 0;
        const int bar_x = x + static_cast<int>(c) * (kBar + 4);
        const int bar_y = top + 22 + kPlot - height;
        svg += fmt::format(
            "<rect x='{}' y='{}' width='{}' height='{}' fill='{}'/>"
            "<text x='{}' y='{}' font-size='10' text-anchor='middle'>{:.3g}</text>\n",
            bar_x, bar_y, kBar, height, kColours[c % kColours.size()], bar_x + kBar / 2, bar_y - 3,
            value);
      }
      svg += fmt::format("<text x='{}' y='{}' font-size='11'>{}</text>\n", x, top + kPlot + 36,
                         groups[g]);
    }
  }
  std::ofstream(path) << svg << "</svg>\n";
}

}  // namespace freshet::bench
