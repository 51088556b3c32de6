using System.Globalization;
using System.Text;

namespace Vireo.Cli.Demo;

/// <summary>Passes on what a guest prints, and finds in it how its script ended.</summary>
/// <remarks>
/// The guest's first program marks its own lines. Everything else is the script's, passed on byte for byte, except that the
/// serial line's carriage returns before line ends are taken away again.
/// </remarks>
internal sealed class GuestOutput(Stream destination)
{
    /// <summary>What the guest's first program (<c>eng/guest/init</c>) puts before its own lines.</summary>
    private const string Mark = "vireo-guest: ";

    private const string ExitMark = Mark + "exit ";

    private const int AfterEndBytesMax = 1024 * 1024;

    /// <summary>The line so far, as long as it can become a marked one.</summary>
    private readonly List<byte> _line = new();

    /// <summary>Whether the line so far can still become a marked one.</summary>
    private bool _isCandidate = true;

    /// <summary>A carriage return that is passed on unless a line end follows.</summary>
    private bool _isReturnPending;

    /// <summary>What came after the script's end: the kernel's last words, unless the guest says again how the script ended.</summary>
    private readonly List<byte> _afterEnd = [];

    /// <summary>How the script ended; null as long as it has not.</summary>
    public int? ExitStatus { get; private set; }

    /// <summary>Lines of the guest's first program that are not about the script: warnings.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Takes what the guest printed.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            if (_isCandidate)
            {
                Collect(value);
            }
            else
            {
                PassOn(value);
                _isCandidate = value == (byte)'\n';
            }
        }

        destination.Flush();
    }

    /// <summary>Passes on what is left when the guest has ended.</summary>
    public void Finish()
    {
        PassOnLine();
        destination.Flush();
    }

    private void Collect(byte value)
    {
        _line.Add(value);
        if (!MayBeMarked())
        {
            PassOnLine();
            _isCandidate = value == (byte)'\n';
        }
        else if (value == (byte)'\n')
        {
            Obey(Encoding.UTF8.GetString(_line.ToArray()).TrimEnd('\r', '\n'));
            _line.Clear();
        }
    }

    /// <summary>Whether what stands in the line so far can still become one of the marked ones.</summary>
    private bool MayBeMarked()
    {
        int length = Math.Min(_line.Count, Mark.Length);
        for (int index = 0; index < length; index++)
        {
            if (_line[index] != (byte)Mark[index])
            {
                return false;
            }
        }

        return true;
    }

    private void Obey(string line)
    {
        if (
            line.StartsWith(ExitMark, StringComparison.Ordinal)
            && TryParseStatus(line[ExitMark.Length..], out int status)
        )
        {
            // A script may print such a line itself; the guest's own is the last.
            destination.Write(_afterEnd.ToArray());
            _afterEnd.Clear();
            ExitStatus = status;
        }
        else
        {
            Warnings.Add(line[Mark.Length..]);
        }
    }

    private void PassOnLine()
    {
        foreach (byte value in _line)
        {
            PassOn(value);
        }

        _line.Clear();
    }

    private void PassOn(byte value)
    {
        if (_isReturnPending && value != (byte)'\n')
        {
            Emit((byte)'\r');
        }

        _isReturnPending = value == (byte)'\r';
        if (!_isReturnPending)
        {
            Emit(value);
        }
    }

    private void Emit(byte value)
    {
        if (ExitStatus is null)
        {
            destination.WriteByte(value);
        }
        else if (_afterEnd.Count < AfterEndBytesMax)
        {
            _afterEnd.Add(value);
        }
    }

    private static bool TryParseStatus(string text, out int status) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out status);
}
