using System.Globalization;
using Vireo.Devices.Block;
using Vireo.Linux.Files;

namespace Vireo.Backends.Block.Raw;

/// <summary>How worn an eMMC is, as its driver tells in sysfs.</summary>
internal static class EmmcLifetime
{
    /// <summary>Reads it.</summary>
    /// <param name="status">The disk.</param>
    /// <returns>Null for anything but an eMMC, or a partition of one.</returns>
    public static BlockLifetime? TryRead(FileStatus status)
    {
        if (status.Kind != DescriptorKind.BlockDevice)
        {
            return null;
        }

        string folder = string.Create(
            CultureInfo.InvariantCulture,
            $"/sys/dev/block/{status.RepresentedDevice >> 32}:{status.RepresentedDevice & uint.MaxValue}"
        );
        return TryRead($"{folder}/device") ?? TryRead($"{folder}/../device");
    }

    /// <summary>Reads it from the folder of a card.</summary>
    /// <param name="folder">The folder.</param>
    /// <returns>Null when the files are not there or not of the form that is known.</returns>
    internal static BlockLifetime? TryRead(string folder)
    {
        try
        {
            string[] wear = File.ReadAllText($"{folder}/life_time").Split(' ', StringSplitOptions.RemoveEmptyEntries);
            int? reserved = Parse(File.ReadAllText($"{folder}/pre_eol_info"));
            return
                wear.Length == 2 && Parse(wear[0]) is { } wearA && Parse(wear[1]) is { } wearB && reserved is { } used
                ? new(used, wearA, wearB)
                : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Reads a number like <c>0x0a</c>.</summary>
    private static int? Parse(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> digits = text.Trim();
        return
            digits.StartsWith("0x", StringComparison.Ordinal)
            && byte.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? value
            : null;
    }
}
