;;; (measure default work): calls work with the size on the command line, or the default, and displays
;;; the result. With a second argument it says on the error port how many seconds that took.

(define (measure default work)
  (let* ((arguments (cdr (command-line)))
         (size (if (pair? arguments) (string->number (car arguments)) default))
         (start (current-jiffy))
         (result (work size))
         (jiffies (- (current-jiffy) start)))
    (display result)
    (newline)
    (if (and (pair? arguments) (pair? (cdr arguments)))
        (begin
          (display (inexact (/ jiffies (jiffies-per-second))) (current-error-port))
          (newline (current-error-port))))))
