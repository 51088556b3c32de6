using System.Globalization;

namespace Vireo.Tests.Linux.Memory;

/// <summary>Sees to it that a few huge pages can be had, for as long as a test needs them.</summary>
internal sealed class HugePageSupply : IDisposable
{
    private const string Overcommit = "/proc/sys/vm/nr_overcommit_hugepages";

    /// <summary>What was set before; null where nothing had to be changed.</summary>
    private readonly string? _before;

    /// <summary>Allows so many huge pages more, if that is not so already. Skips the test where this user may not do it.</summary>
    public HugePageSupply(int pages)
    {
        string before = File.ReadAllText(Overcommit).Trim();
        if (int.Parse(before, CultureInfo.InvariantCulture) >= pages)
        {
            return;
        }

        try
        {
            File.WriteAllText(Overcommit, pages.ToString(CultureInfo.InvariantCulture));
            _before = before;
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or IOException)
        {
            Assert.Skip($"needs {pages} huge pages: sysctl vm.nr_overcommit_hugepages={pages}");
        }
    }

    public void Dispose()
    {
        if (_before is not null)
        {
            File.WriteAllText(Overcommit, _before);
        }
    }
}
