using System.Globalization;

namespace Vireo.Benchmarks.Homes;

/// <summary>The processor time of the kernel's workers, which wake drivers for VDUSE; of no process that is measured.</summary>
/// <remarks>Of the whole machine: only where nobody else works, as in a guest, does it belong to what is measured.</remarks>
internal static class KernelWork
{
    /// <summary>The time of all workers since the machine started.</summary>
    public static TimeSpan Read()
    {
        ulong nanoseconds = 0;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (char.IsAsciiDigit(Path.GetFileName(folder)[0]))
            {
                nanoseconds += ReadOf(folder);
            }
        }

        return TimeSpan.FromMicroseconds(nanoseconds / 1000.0);
    }

    private static ulong ReadOf(string folder)
    {
        try
        {
            string name = File.ReadAllText($"{folder}/comm");
            if (
                !name.StartsWith("kworker", StringComparison.Ordinal)
                && !name.StartsWith("vhost", StringComparison.Ordinal)
            )
            {
                return 0;
            }

            return ulong.Parse(File.ReadAllText($"{folder}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            // It has ended in between.
            return 0;
        }
    }
}
